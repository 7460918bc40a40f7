# Synthetic shards for tests of any stage: #include "support/shard_writer.hpp", LINK cuttle_test_shards.
add_library(cuttle_test_shards STATIC ${CMAKE_CURRENT_LIST_DIR}/shard_writer.cpp
                                      ${CMAKE_CURRENT_LIST_DIR}/synthetic_shards.cpp)
target_include_directories(cuttle_test_shards PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(cuttle_test_shards PUBLIC cuttle_core PRIVATE cuttle_hdf5 ZLIB::ZLIB cuttle_flags)
