# Milliseconds of the exact reduction; run by hand: build/<preset>/reduce_benchmark
add_executable(reduce_benchmark ${CMAKE_CURRENT_LIST_DIR}/reduce_benchmark.cpp)
target_link_libraries(reduce_benchmark PRIVATE cuttle_flags cuttle::reduce)
