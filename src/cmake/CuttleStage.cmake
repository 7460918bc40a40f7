# cuttle_unite(OUT TARGET FILES...)
# Where CUTTLE_UNITY is on, sets OUT to one file that includes FILES, which the compiler then reads their common headers
# for once; else to FILES. Files with the property SKIP_UNITY_BUILD_INCLUSION stay apart. CMake's own UNITY_BUILD would
# name files by absolute path, and clones could not share ccache's results.
function(cuttle_unite out target)
  set(apart)
  set(united)
  set(text "// The files of ${target} (see CUTTLE_UNITY).\n")
  foreach(source ${ARGN})
    get_filename_component(path ${source} ABSOLUTE)
    get_source_file_property(skip ${path} SKIP_UNITY_BUILD_INCLUSION)
    string(REPLACE ${PROJECT_SOURCE_DIR}/src/ "" name ${path})
    string(REPLACE ${PROJECT_SOURCE_DIR}/tests/ "" name ${name})
    if(skip)
      list(APPEND apart ${path})
    else()
      list(APPEND united ${path})
      string(APPEND text "#include \"${name}\"\n")
    endif()
  endforeach()
  list(LENGTH united count)
  if(CUTTLE_UNITY AND count GREATER 1)
    set(united ${CMAKE_BINARY_DIR}/unity/${target}.cpp)
    file(CONFIGURE OUTPUT ${united} CONTENT "${text}")
  endif()
  set(${out} ${united} ${apart} PARENT_SCOPE)
endfunction()

# cuttle_add_stage(NAME [FOLDER <folder>] [EXCEPT <subfolder>] DEPENDS <earlier stages> LINK <libraries> [TORCH])
# One library cuttle_<NAME> from the .cpp files in and below src/<NAME> (or FOLDER). Targets with TORCH share one
# precompiled header, torch_pch.hpp.
function(cuttle_add_stage name)
  cmake_parse_arguments(ARG "TORCH" "FOLDER;EXCEPT" "DEPENDS;LINK" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER}/*.cpp)
  if(ARG_EXCEPT)
    list(FILTER sources EXCLUDE REGEX "/${ARG_FOLDER}/${ARG_EXCEPT}/")
  endif()
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(NOT CUTTLE_NCCL)
    list(FILTER sources EXCLUDE REGEX "/nccl_[^/]*\\.cpp$")
  endif()
  set(target cuttle_${name})
  cuttle_unite(sources ${target} ${sources})
  add_library(${target} STATIC ${sources})
  add_library(cuttle::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
                             PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_features(${target} PUBLIC cxx_std_17)
  list(TRANSFORM ARG_DEPENDS PREPEND cuttle_)
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE $<BUILD_INTERFACE:cuttle_flags> ${ARG_LINK})
  if(ARG_TORCH)
    target_link_libraries(${target} PUBLIC cuttle::torch)
    target_precompile_headers(${target} REUSE_FROM cuttle_torch_pch)
  endif()
  set_property(GLOBAL APPEND PROPERTY CUTTLE_STAGES ${target})
endfunction()

# For programs: a precompiled header made with -fPIC is refused by -fPIE, which programs get otherwise.
function(cuttle_reuse_torch_pch target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM cuttle_torch_pch)
endfunction()

# TIMEOUT is there for what hangs: at least six times what a test takes alone, since the machine may be busy.
#
# cuttle_add_test(NAME SOURCES <files> LINK <libraries> [TORCH] [RANKS 1 2 3] [TIMEOUT s] [LABELS ...])
# One GoogleTest program; one ctest entry per rank count in RANKS (launched by mpirun; the program's main checks
# the count), or a single plain entry without RANKS.
function(cuttle_add_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;LINK;RANKS;LABELS" ${ARGN})
  if(ARG_RANKS AND CUTTLE_SANITIZE MATCHES "thread")
    return()  # Open MPI itself is full of what the thread sanitizer reports
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  cuttle_unite(sources ${name} ${ARG_SOURCES})
  add_executable(${name} ${sources})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE cuttle_flags ${ARG_LINK} GTest::gmock)
  target_compile_definitions(${name} PRIVATE CUTTLE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" CUTTLE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(ARG_TORCH)
    cuttle_reuse_torch_pch(${name})
  endif()
  if(CUTTLE_SANITIZE)  # GCC then takes std::regex's own moves for uses of what was never set
    target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
  endif()
  set(environment OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
                  LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0)
  if(ARG_RANKS)
    if(CUTTLE_SANITIZE MATCHES "address")
      list(APPEND environment ASAN_OPTIONS=detect_leaks=0)  # Open MPI never frees all that it allocates
    endif()
    target_link_libraries(${name} PRIVATE cuttle_mpi_test_main)
    foreach(ranks ${ARG_RANKS})
      add_test(NAME ${name}.np${ranks}
               COMMAND ${MPIEXEC_EXECUTABLE} --allow-run-as-root --oversubscribe --bind-to none
                       -n ${ranks} $<TARGET_FILE:${name}>)
      set_tests_properties(${name}.np${ranks} PROPERTIES TIMEOUT ${ARG_TIMEOUT} PROCESSORS ${ranks}
        LABELS "mpi;np${ranks};${ARG_LABELS}" ENVIRONMENT "${environment};CUTTLE_TEST_RANKS=${ranks}")
    endforeach()
  else()
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "unit;${ARG_LABELS}"
                         ENVIRONMENT "${environment}")
  endif()
endfunction()

# cuttle_add_pytest(NAME FILES <test_*.py> [TIMEOUT s] [PROCESSORS n] [LABELS ...])
# One ctest entry that runs pytest on the files, with .venv's Python if there is one. CUTTLE_BINARY_DIR names the build.
# Where every test of it skips, so does the entry, in ctest's summary too.
find_program(CUTTLE_PYTHON python3 HINTS ${PROJECT_SOURCE_DIR}/.venv/bin)
function(cuttle_add_pytest name)
  cmake_parse_arguments(ARG "" "TIMEOUT;PROCESSORS" "FILES;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  add_test(NAME ${name} COMMAND ${CUTTLE_PYTHON} -m pytest -q -rs -p no:cacheprovider ${ARG_FILES}
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} PROCESSORS ${ARG_PROCESSORS}
    SKIP_REGULAR_EXPRESSION "\n[0-9]+ skipped in" LABELS "python;${ARG_LABELS}"
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;CUTTLE_BINARY_DIR=${CMAKE_BINARY_DIR};OMP_NUM_THREADS=1;OPENBLAS_NUM_THREADS=1;MKL_NUM_THREADS=1")
endfunction()
