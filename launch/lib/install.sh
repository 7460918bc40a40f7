# shellcheck shell=bash disable=SC2154  # variables of env.sh
# Shared by the scripts that build; sourced after env.sh. Installs what is missing: system
# packages, then a virtual environment with pinned Python packages. Everything is skipped when
# present.

required_packages=(
  build-essential cmake ninja-build libopenmpi-dev openmpi-bin libhdf5-dev libyaml-cpp-dev libgtest-dev libgmock-dev
  libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev libssl-dev libutf8proc-dev libstemmer-dev
  zlib1g-dev python3 python3-venv
)
# Faster builds, and the programs that some tests of the tree use.
helpful_packages=(
  ccache mold universal-ctags shellcheck clang slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge iproute2
)
# Sources of the default data set: three drawings of each emoji, names, subgroups, voices.
data_packages=(fonts-noto-color-emoji ruby-gemojione fonts-symbola unicode-cldr-core unicode-data espeak-ng)

# missing_of PACKAGE...: those that are not installed, one a line.
missing_of() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

# as_root COMMAND...: directly, or by sudo.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    install --no-install-recommends "$@"
}

# available_of PACKAGE...: those that this system's archive has, one a line.
available_of() {
  local package
  for package in "$@"; do
    if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then echo "$package"; fi
  done
}

# install_system_packages MAY_INSTALL: refuses, by name, where it lacks the permission to install
# a required package.
install_system_packages() {
  local missing optional found
  if ! command -v dpkg-query >/dev/null; then
    echo "System packages: not a Debian or Ubuntu system; this build needs the equivalents of" \
      "${required_packages[*]}, and the default data set of ${data_packages[*]}"
    return
  fi
  mapfile -t missing < <(missing_of "${required_packages[@]}")
  mapfile -t optional < <(missing_of "${helpful_packages[@]}" "${data_packages[@]}")
  if ((${#missing[@]} + ${#optional[@]} == 0)); then
    echo "System packages: present"
    return
  fi
  if [[ $1 != yes ]] || { ((EUID != 0)) && ! sudo_works; }; then
    ((${#missing[@]} == 0)) || fail "system packages are missing and this script may not install them (it is neither\
 root nor allowed to use sudo, or --no-install was given); install them by hand, then call it again:
    apt-get install ${missing[*]}${optional[*]:+ ${optional[*]}}"
    echo "System packages: required ones present; without ${optional[*]}"
    return
  fi
  stage "Updating the package lists" as_root apt-get -o Acquire::Retries=3 update
  mapfile -t found < <(available_of "${optional[@]}")
  if ((${#missing[@]} + ${#found[@]} > 0)); then
    stage "Installing system packages (${#missing[@]} required, ${#found[@]} optional)" \
      apt_install "${missing[@]}" "${found[@]}"
  fi
  mapfile -t missing < <(missing_of "${optional[@]}")
  ((${#missing[@]} == 0)) || echo "  not in this system's archive, going on without: ${missing[*]}"
}

# sudo_works: without a password, or with one that a person can type.
sudo_works() {
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }; }
}

# python_fits PYTHON: a version that every pinned package has wheels for, with what a virtual
# environment needs.
python_fits() {
  "$1" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
  local python
  for python in python3 /usr/bin/python3 python3.{11..14}; do
    if command -v "$python" >/dev/null && python_fits "$python"; then
      command -v "$python"
      return
    fi
  done
  fail "no Python 3.11 to 3.14 with the venv module (the pinned packages need it); install one, as by\
 apt-get install python3.11 python3.11-venv"
}

make_venv() {
  if ! python_fits "$venv/bin/python"; then
    "$1" -m venv --clear "$venv" || return
  fi
  "$venv/bin/python" -m pip install -r "$cuttle_root/launch/requirements.txt" &&
    cp "$cuttle_root/launch/requirements.txt" "$venv/.cuttle-requirements"
}

# install_python_packages MAY_INSTALL: .venv, whose copy of requirements.txt says that it is
# complete.
install_python_packages() {
  local python free
  if python_fits "$venv/bin/python" &&
    cmp -s "$cuttle_root/launch/requirements.txt" "$venv/.cuttle-requirements"; then
    echo "Python packages: present"
    return
  fi
  [[ $1 == yes ]] || fail "$venv lacks what launch/requirements.txt lists (LibTorch is part of it); call this script\
 once without --no-install"
  python=$(find_python)
  free=$(($(df --output=avail -m "$cuttle_root" | tail -n 1)))
  if [[ ! -d $venv ]] && ((free < 9000)); then
    fail "only $free MB are free for $venv (LibTorch and its companions take 5 GB, as much again while they are\
 unpacked); make room, or put the repository elsewhere"
  fi
  stage "Installing Python packages and LibTorch (5 GB)" make_venv "$python"
}

# prepare MAY_INSTALL: all of the above.
prepare() {
  install_system_packages "$1"
  install_python_packages "$1"
  use_venv
}
