# read_benchmark: samples/s of Dataset::read and materialise beside a raw H5Dread loop. Run it by hand; not in ctest.
add_executable(read_benchmark ${CMAKE_CURRENT_LIST_DIR}/read_benchmark.cpp)
target_link_libraries(read_benchmark PRIVATE cuttle_task_plan cuttle_test_shards cuttle_hdf5 cuttle_flags)
