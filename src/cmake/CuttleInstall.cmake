# cmake --install: the program, static libraries, headers, data tools, configs, and a package for find_package(cuttle).
# The tree may be moved. Shared libraries that are not the system's (LibTorch, NCCL) are looked for in the tree's own
# library folder first, so they can be copied there, then where they were at build time.
include(CMakePackageConfigHelpers)

get_property(stages GLOBAL PROPERTY CUTTLE_STAGES)
set_target_properties(cuttle_hdf5 PROPERTIES EXPORT_NAME hdf5)
install(TARGETS ${stages} cuttle_hdf5 EXPORT cuttleTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(CUTTLE_TORCH)
  file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  # Named one by one: INSTALL_RPATH_USE_LINK_PATH leaves out folders inside the source tree, where .venv is.
  set(library_dirs ${LibTorch_LIBRARY_DIR})
  foreach(library ${NCCL_LIBRARY} ${CUDART_LIBRARY})
    get_filename_component(folder ${library} DIRECTORY)
    list(APPEND library_dirs ${folder})
  endforeach()
  set_target_properties(cuttle PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib};${library_dirs}"
                                          INSTALL_RPATH_USE_LINK_PATH TRUE)
  install(TARGETS cuttle RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(DIRECTORY include/cuttle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(DIRECTORY configs data_tools DESTINATION ${CMAKE_INSTALL_DATADIR}/cuttle USE_SOURCE_PERMISSIONS
        PATTERN "__pycache__" EXCLUDE)
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cuttle)
configure_package_config_file(src/cmake/cuttleConfig.cmake.in ${CMAKE_BINARY_DIR}/cuttleConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cuttleConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT cuttleTargets NAMESPACE cuttle:: DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/cuttleConfig.cmake ${CMAKE_BINARY_DIR}/cuttleConfigVersion.cmake
              src/cmake/FindLibTorch.cmake src/cmake/FindNCCL.cmake
        DESTINATION ${package_dir})
