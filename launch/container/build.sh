#!/usr/bin/env bash
# usage: launch/container/build.sh
#
# Installs and builds cuttle inside a container image, for the two recipes beside this file.
# shellcheck source=lib/env.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../lib/env.sh"
. "$cuttle_root/launch/lib/install.sh"

if (($# > 0)); then
  [[ $1 == -h || $1 == --help ]] && usage "$0" && exit
  fail "it takes no arguments; see launch/container/build.sh --help" 2
fi
prepare yes
stage "Building cuttle (minutes)" build release cuttle
