#!/usr/bin/env bash
# usage: launch/container/build.sh
#
# Installs and builds cuttle inside a container image, for the two recipes beside this file.
# shellcheck source=lib/env.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../lib/env.sh"
. "$cuttle_root/launch/lib/install.sh"

prepare yes
stage "Building cuttle (minutes)" build release cuttle
