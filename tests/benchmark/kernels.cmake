# GFLOP/s of the convolution kernels; run by hand: OMP_NUM_THREADS=1 build/<preset>/kernels_benchmark
add_executable(kernels_benchmark ${CMAKE_CURRENT_LIST_DIR}/kernels_benchmark.cpp)
target_include_directories(kernels_benchmark PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(kernels_benchmark PRIVATE cuttle_kernels cuttle_flags)
cuttle_use_kernel_parts(kernels_benchmark)
