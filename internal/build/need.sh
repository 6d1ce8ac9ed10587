# SPDX-License-Identifier: Apache-2.0
# need COMMAND PACKAGE...: makes sure a command is there, installing Debian
# packages when we may. Sourced by the build's scripts.
need() {
	cmd=$1; shift
	command -v "$cmd" >/dev/null 2>&1 && return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "$cmd is missing: install $* (Debian) and run this again" >&2
		return 1
	fi
	echo "installing $*" >&2
	for try in 1 2 3; do
		if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 &&
			command -v "$cmd" >/dev/null 2>&1; then
			return 0
		fi
		[ "$try" = 3 ] || { apt-get update -qq >/dev/null 2>&1 || true; sleep 2; }
	done
	echo "could not install $*: is Debian's mirror reachable?" >&2
	return 1
}
