# LibTorch from the PyPI wheel, without a CUDA toolkit (find_package(Torch) insists on one for CUDA builds).
# Serves this project's build and, installed beside cuttleConfig.cmake, every project that links cuttle.
#
# Search order: LibTorch_ROOT (CMake or environment variable; a folder with include/ and lib/: the wheel's torch
# folder or an unpacked libtorch), CUTTLE_LIBTORCH_HINT (where cuttle was built with it; set by cuttleConfig.cmake),
# the project's virtual environment .venv (made by launch/quickstart.sh), then VIRTUAL_ENV.
#
# Target: cuttle::torch = libtorch_cpu + c10. libtorch_cpu itself needs libcudart and libcupti of the wheel's
# companions: it finds them by its own RPATH, the link editor by -rpath-link. Programs that link cuttle::torch get
# its folder as build RPATH from CMake; for installed ones see CuttleInstall.cmake.
set(_wanted 2.11.0)  # as in launch/requirements.txt; the ABI, the bits of results and the headers depend on it

set(_roots ${LibTorch_ROOT} $ENV{LibTorch_ROOT} ${CUTTLE_LIBTORCH_HINT})
file(GLOB _venvs ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch
                 $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/torch)
list(APPEND _roots ${_venvs})

# Searched afresh at every configuration: a cached path may be of a virtual environment that is gone.
unset(LibTorch_INCLUDE_DIR CACHE)
unset(LibTorch_CPU_LIBRARY CACHE)
unset(LibTorch_C10_LIBRARY CACHE)
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
          PATHS ${_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
# No semicolon in messages: CMake would take it for a list.
set(_reason "run launch/quickstart.sh once, or pip install torch==${_wanted} and set LibTorch_ROOT to its torch folder")
if(LibTorch_INCLUDE_DIR)
  get_filename_component(LibTorch_DIR ${LibTorch_INCLUDE_DIR} DIRECTORY)
  find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS ${LibTorch_DIR}/lib NO_DEFAULT_PATH)
  find_library(LibTorch_C10_LIBRARY c10 PATHS ${LibTorch_DIR}/lib NO_DEFAULT_PATH)
  file(STRINGS ${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h _version REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" _version "${_version}")
  list(JOIN _version . LibTorch_VERSION)
  if(LibTorch_VERSION VERSION_EQUAL _wanted)
    set(LibTorch_VERSION_IS_RIGHT TRUE)
  else()
    set(LibTorch_VERSION_IS_RIGHT FALSE)
    set(_reason "${LibTorch_DIR} holds LibTorch ${LibTorch_VERSION}, but cuttle is made for ${_wanted} exactly (its ABI and the bits of results change between versions): pip install torch==${_wanted} and set LibTorch_ROOT to its torch folder")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR LibTorch_VERSION_IS_RIGHT
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "${_reason}")

if(LibTorch_FOUND AND NOT TARGET cuttle::torch)
  set(LibTorch_LIBRARY_DIR ${LibTorch_DIR}/lib)
  add_library(cuttle::torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(cuttle::torch SYSTEM INTERFACE ${LibTorch_INCLUDE_DIR}
                             ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  file(GLOB _companions ${LibTorch_DIR}/../nvidia/*/lib)
  list(TRANSFORM _companions PREPEND "-Wl,-rpath-link,")
  # The wheel brings headers of its own fmt, newer than the system's and found first, but no library for them.
  target_compile_definitions(cuttle::torch INTERFACE FMT_HEADER_ONLY)
  target_link_libraries(cuttle::torch INTERFACE ${LibTorch_CPU_LIBRARY} ${LibTorch_C10_LIBRARY})
  target_link_options(cuttle::torch INTERFACE ${_companions} "-Wl,--allow-shlib-undefined")
endif()
