# NCCL. The programs on the stand-in hold the production objects of cuttle_comm, linked with
# tests/support/nccl_standin instead of libnccl and libcudart (--as-needed drops these, since every
# symbol is there already).
if(NOT CUTTLE_NCCL)
  return()
endif()
set(standin ${PROJECT_SOURCE_DIR}/tests/support/nccl_standin)
add_library(cuttle_nccl_standin OBJECT
  ${standin}/cuda_api.cpp ${standin}/fake_comm.cpp ${standin}/fake_machine.cpp ${standin}/guarded_memory.cpp
  ${standin}/nccl_api.cpp ${standin}/rank_exchange.cpp ${standin}/standin.cpp)
target_include_directories(cuttle_nccl_standin PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_include_directories(cuttle_nccl_standin SYSTEM PUBLIC
                           $<TARGET_PROPERTY:cuttle::nccl_sdk,INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(cuttle_nccl_standin PRIVATE cuttle_core cuttle_flags)

# WRAP: functions that the program puts its own __wrap_ version before.
function(cuttle_add_standin_test name)
  cmake_parse_arguments(ARG "" "" "WRAP" ${ARGN})
  list(TRANSFORM ARG_WRAP PREPEND "-Wl,--wrap=")
  cuttle_add_test(${name} ${ARG_UNPARSED_ARGUMENTS} LINK cuttle_nccl_standin cuttle_comm_conformance
                  LABELS nccl)
  target_link_options(${name} PRIVATE -Wl,--as-needed ${ARG_WRAP})
endfunction()

cuttle_add_standin_test(nccl_communicator_test SOURCES nccl_communicator_test.cpp RANKS 1 2 3 4)
cuttle_add_standin_test(nccl_mutants_test SOURCES nccl_mutants_test.cpp nccl_mutants.cpp RANKS 2
  WRAP ncclAllReduce ncclGroupStart ncclGroupEnd ncclCommGetAsyncError ncclCommInitRankConfig
       ncclCommFinalize ncclCommDestroy ncclCommAbort cudaSetDevice cudaStreamWaitEvent cudaEventRecord
       cudaEventQuery cudaMemcpyAsync)
cuttle_add_test(nccl_standin_test SOURCES nccl_standin_test.cpp LINK cuttle_nccl_standin cuttle_core
                LABELS nccl)

# The real libraries. Without a driver the one tests the refusal and the other skips, and says so.
cuttle_add_test(nccl_link_test SOURCES nccl_link_test.cpp LINK cuttle_comm cuttle::nccl_sdk LABELS nccl)
cuttle_add_test(nccl_gpu_test SOURCES nccl_gpu_test.cpp LINK cuttle_comm_conformance RANKS 1 2 4
                LABELS nccl gpu)
set_tests_properties(nccl_gpu_test.np1 nccl_gpu_test.np2 nccl_gpu_test.np4
                     PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED")
