# Installs BUILD, moves the tree, and builds and runs the project EXTERNAL against it. Every failing step is fatal.
set(work "${BUILD}/tests/install test")  # the blank is on purpose
set(tree "${work}/moved tree")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${work}")
run(${CMAKE_COMMAND} --install ${BUILD} --prefix "${work}/first place")
file(RENAME "${work}/first place" "${tree}")

foreach(path share/cuttle/configs share/cuttle/data_tools include/cuttle/core/hash.hpp)
  if(NOT EXISTS "${tree}/${path}")
    message(FATAL_ERROR "the installed tree lacks ${path}")
  endif()
endforeach()
file(GLOB_RECURSE caches "${tree}/*.pyc")
if(caches)
  message(FATAL_ERROR "installed by mistake: ${caches}")
endif()

if(EXISTS "${tree}/bin/cuttle")
  run("${tree}/bin/cuttle" --help)
  run("${tree}/bin/cuttle" validate "${tree}/share/cuttle/configs/quickstart.yaml")
endif()

run(${CMAKE_COMMAND} -S ${EXTERNAL} -B "${work}/build" -G Ninja -DCMAKE_BUILD_TYPE=Release
    "-DCMAKE_PREFIX_PATH=${tree}" "-DLibTorch_ROOT=${LibTorch_ROOT}")
run(${CMAKE_COMMAND} --build "${work}/build")

# The outside program trains with its own encoder and learner, on two ranks, from the installed data tools.
set(ENV{PATH} "${PYTHONS}:$ENV{PATH}")  # installed data tools take the first python3
run("${tree}/share/cuttle/data_tools/cuttle-data" make_synthetic --out "${work}/data" --size 8)
set(program "${work}/build/uses_cuttle")
execute_process(COMMAND ${MPIEXEC} --allow-run-as-root --oversubscribe --bind-to none -n 2 "${program}" train
                        ${EXTERNAL}/config.yaml --run-dir run
                WORKING_DIRECTORY "${work}" COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${program}" inspect run --json WORKING_DIRECTORY "${work}" OUTPUT_VARIABLE state
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT state MATCHES "\"step\": 4" OR NOT state MATCHES "\"algorithm\": \"frozen\"")
  message(FATAL_ERROR "the outside program did not train four steps with its learner: ${state}")
endif()
file(REMOVE_RECURSE "${work}")
