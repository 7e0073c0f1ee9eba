# Code made from schema/. Generators run whenever CMake configures, which a change below schema/
# causes, and write only files whose content changed: what is built again is what changed.
set(GENERATED_DIR ${CMAKE_BINARY_DIR}/gen)
file(GLOB_RECURSE schema_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schema/*.msg
     ${CMAKE_SOURCE_DIR}/schema/*.tsv ${CMAKE_SOURCE_DIR}/schema/*.py)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema_files})

# generate(OUT_VARIABLE FOLDER GENERATOR args...): runs schema/generate/GENERATOR.py args...
# gen/FOLDER and sets OUT_VARIABLE to the .cc files it made.
function(generate OUT FOLDER GENERATOR)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/schema/generate/${GENERATOR}.py ${ARGN}
            ${GENERATED_DIR}/${FOLDER}
    COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB_RECURSE made ${GENERATED_DIR}/${FOLDER}/*.cc)
  set(${OUT} ${made} PARENT_SCOPE)
endfunction()

generate(BASE_GENERATED errors errors ${CMAKE_SOURCE_DIR}/schema/errors.tsv)
generate(PROTOCOL_GENERATED protocol messages ${CMAKE_SOURCE_DIR}/schema)
generate(PROTOCOL_JSON_GENERATED protocol_json json_schemas ${CMAKE_SOURCE_DIR}/schema)
file(GLOB handler_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/broker/handlers/*.cc)
generate(BROKER_GENERATED broker handlers ${CMAKE_SOURCE_DIR}/schema/apis.tsv
         ${CMAKE_SOURCE_DIR}/src/broker/handlers)
generate(METADATA_GENERATED metadata features ${CMAKE_SOURCE_DIR}/schema/features.tsv)
generate(CONFIG_GENERATED config configs ${CMAKE_SOURCE_DIR}/schema/config)
generate(METRICS_GENERATED metrics metrics ${CMAKE_SOURCE_DIR}/schema/metrics/metrics.tsv)
if(MILLRACE_TESTS)
  add_test(NAME docs/reference
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/schema/generate/reference.py
            ${CMAKE_SOURCE_DIR}/schema ${CMAKE_SOURCE_DIR}/docs --check)
  set_tests_properties(docs/reference PROPERTIES LABELS "lint")
endif()
