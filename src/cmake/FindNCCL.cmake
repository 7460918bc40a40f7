# NCCL and the CUDA runtime's headers and libraries: NCCL_ROOT, the wheel's companions beside LibTorch, or the system.
# Target: cuttle::nccl_sdk (headers + libnccl + libcudart).
set(_torch ${LibTorch_DIR})
if(NOT _torch)  # a build without LibTorch
  file(GLOB _torch ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
endif()
list(TRANSFORM _torch APPEND /../nvidia/* OUTPUT_VARIABLE _companions)
file(GLOB _companions ${_companions})
set(_roots HINTS ${_companions} PATHS /usr/local/cuda)

# A cached path may be of a virtual environment that is gone.
foreach(path NCCL_INCLUDE_DIR CUDART_INCLUDE_DIR NCCL_LIBRARY CUDART_LIBRARY)
  if(NOT EXISTS "${${path}}")
    unset(${path} CACHE)
  endif()
endforeach()
find_path(NCCL_INCLUDE_DIR nccl.h ${_roots} PATH_SUFFIXES include)
find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h ${_roots} PATH_SUFFIXES include)
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR ${_roots} PATH_SUFFIXES lib lib64)
find_library(CUDART_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 NAMES_PER_DIR ${_roots} PATH_SUFFIXES lib lib64)
if(NCCL_INCLUDE_DIR)
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS ${NCCL_INCLUDE_DIR}/nccl.h _line REGEX "define NCCL_${part} [0-9]+")
    string(REGEX MATCH "[0-9]+$" NCCL_${part} "${_line}")
  endforeach()
  set(NCCL_VERSION ${NCCL_MAJOR}.${NCCL_MINOR}.${NCCL_PATCH})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL
  REQUIRED_VARS NCCL_LIBRARY CUDART_LIBRARY NCCL_INCLUDE_DIR CUDART_INCLUDE_DIR VERSION_VAR NCCL_VERSION
  REASON_FAILURE_MESSAGE "they come with pip install torch==2.11.0, or configure with -DCUTTLE_NCCL=OFF")

if(NCCL_FOUND AND NOT TARGET cuttle::nccl_sdk)
  add_library(cuttle::nccl_sdk INTERFACE IMPORTED GLOBAL)
  target_include_directories(cuttle::nccl_sdk SYSTEM INTERFACE ${NCCL_INCLUDE_DIR} ${CUDART_INCLUDE_DIR})
  target_link_libraries(cuttle::nccl_sdk INTERFACE ${NCCL_LIBRARY} ${CUDART_LIBRARY})
endif()
