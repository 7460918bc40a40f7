# cuttle_kernels: the inner loops of the model stage, without LibTorch. The same source is compiled once per instruction
# set; the program picks one when it starts.
file(GLOB sources CONFIGURE_DEPENDS kernels/*.cpp)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(FILTER sources EXCLUDE REGEX "/isa_avx[^/]*\\.cpp$")
endif()
add_library(cuttle_kernels STATIC ${sources})
add_library(cuttle::kernels ALIAS cuttle_kernels)
set_target_properties(cuttle_kernels PROPERTIES EXPORT_NAME kernels POSITION_INDEPENDENT_CODE ON)
target_compile_features(cuttle_kernels PUBLIC cxx_std_17)
target_include_directories(cuttle_kernels PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(cuttle_kernels PRIVATE $<BUILD_INTERFACE:cuttle_flags>)
target_compile_options(cuttle_kernels PRIVATE -O3 -ffp-contract=fast)
find_package(OpenMP COMPONENTS CXX)
if(OpenMP_CXX_FOUND)
  # Not OpenMP::OpenMP_CXX, which names the system's libgomp by path: LibTorch brings its own, and one of them must
  # serve both.
  target_compile_options(cuttle_kernels PRIVATE ${OpenMP_CXX_FLAGS})
  target_link_options(cuttle_kernels INTERFACE ${OpenMP_CXX_FLAGS})
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  target_compile_definitions(cuttle_kernels PRIVATE CUTTLE_KERNELS_X86)
  set_source_files_properties(kernels/isa_avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  set_source_files_properties(kernels/isa_avx512.cpp PROPERTIES COMPILE_OPTIONS
                              "-mavx2;-mfma;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mprefer-vector-width=512")
endif()
set_property(GLOBAL APPEND PROPERTY CUTTLE_STAGES cuttle_kernels)

# For programs that include the kernels' own headers: these must mean the same there as in the library.
function(cuttle_use_kernel_parts target)
  if(OpenMP_CXX_FLAGS)
    target_compile_options(${target} PRIVATE ${OpenMP_CXX_FLAGS})
  endif()
endfunction()
