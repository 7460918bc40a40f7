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
  # Without its data a config is not fine; that nothing else is wrong with it is said.
  execute_process(COMMAND "${tree}/bin/cuttle" validate "${tree}/share/cuttle/configs/quickstart.yaml"
                  WORKING_DIRECTORY "${work}" RESULT_VARIABLE code ERROR_VARIABLE complaint)
  if(NOT code EQUAL 2 OR NOT complaint MATCHES "its keys are fine.*no shard matches '.data/emoji/")
    message(FATAL_ERROR "the shipped config without its data: exit code ${code}, ${complaint}")
  endif()
endif()

run(${CMAKE_COMMAND} -S ${EXTERNAL} -B "${work}/build" -G Ninja -DCMAKE_BUILD_TYPE=Release
    "-DCMAKE_PREFIX_PATH=${tree}" "-DLibTorch_ROOT=${LibTorch_ROOT}")
run(${CMAKE_COMMAND} --build "${work}/build")

# The outside program knows the keys of its own types: what is wrong with one is said as for cuttle's own.
set(program "${work}/build/uses_cuttle")
set(ENV{PATH} "${PYTHONS}:$ENV{PATH}")  # installed data tools take the first python3
run("${tree}/share/cuttle/data_tools/cuttle-data" make_synthetic --out "${work}/data" --size 8)
run(${CMAKE_COMMAND} -E chdir "${work}" "${program}" validate ${EXTERNAL}/config.yaml)
function(refuses overrides expected)
  string(REPLACE " " ";" words "${overrides}")
  execute_process(COMMAND "${program}" validate ${EXTERNAL}/config.yaml ${words} RESULT_VARIABLE code
                  OUTPUT_VARIABLE said ERROR_VARIABLE complaint)
  string(FIND "${said}${complaint}" "${expected}" place)
  if(NOT code EQUAL 2 OR place EQUAL -1)
    message(FATAL_ERROR "${overrides}: exit code ${code}, without '${expected}': ${said}${complaint}")
  endif()
endfunction()
refuses(model.encoders.vector.scal=2 "did you mean model.encoders.vector.scale?")
refuses(model.encoders.vector.scale=0 "must be above 0")
refuses(model.colums=4 "did you mean model.columns?")
refuses(adapt.sharpnes=3 "did you mean adapt.sharpness?")
refuses(adapt.algorithm=frozn "did you mean frozen?")
refuses(objectives.calm.stat=1 "did you mean objectives.calm.start?")
refuses(step.dead_zon=1 "did you mean step.dead_zone?")
refuses(step.beta1=0.5 "it belongs to step.optimizer: adam or lion, not to sign_descent; remove it")
refuses(episode.smothing=0.2 "did you mean episode.smoothing?")
refuses(sinks.curve.valu=loss "did you mean sinks.curve.value?")
refuses(sinks.records.type=csv "none writes metrics.jsonl")
refuses("episode.target=class episode.smoothing=0.2" "it belongs to episode.target: smoothed, not to class; remove it")

# It trains with them, on two ranks, on what the installed data tools made.
execute_process(COMMAND ${MPIEXEC} --allow-run-as-root --oversubscribe --bind-to none -n 2 "${program}" train
                        ${EXTERNAL}/config.yaml --run-dir run
                WORKING_DIRECTORY "${work}" COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${program}" inspect run --json WORKING_DIRECTORY "${work}" OUTPUT_VARIABLE state
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT state MATCHES "\"step\": 4" OR NOT state MATCHES "\"algorithm\": \"frozen\"")
  message(FATAL_ERROR "the outside program did not train four steps with its learner: ${state}")
endif()
# Its numbers are recorded under their own names, and its parameters are part of the run.
file(READ "${work}/run/metrics.jsonl" records)
foreach(name sureness accuracy objective.calm)
  string(FIND "${records}" "\"${name}\":" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "metrics.jsonl has no ${name}: ${records}")
  endif()
endforeach()
file(STRINGS "${work}/run/sureness.csv" lines REGEX "^[1-4],0\\.[0-9]+$")
list(LENGTH lines count)
if(NOT count EQUAL 4)
  message(FATAL_ERROR "sureness.csv does not have four steps: ${lines}")
endif()
file(GLOB checkpoints "${work}/run/checkpoints/*/parameters.safetensors")
list(GET checkpoints 0 checkpoint)
foreach(name fusion.vector.weight learner.sharpness objective.calm.level)
  file(STRINGS "${checkpoint}" found REGEX "${name}")
  if(NOT found)
    message(FATAL_ERROR "${checkpoint} has no parameter ${name}")
  endif()
endforeach()
# Its optimizer keeps nothing; the run goes on from its checkpoint all the same.
execute_process(COMMAND "${program}" train ${EXTERNAL}/config.yaml train.steps=6 --run-dir run --resume
                WORKING_DIRECTORY "${work}" COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE "${work}")
