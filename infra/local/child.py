"""Become a process that the stack can supervise, then become the command.

Run as a script with `python -I -S child.py <settings as JSON> <command...>`, so that nothing of
ours is imported between fork and exec. Settings:

parent          pid that must still be our parent, else exit at once
death_signal    sent to us by the kernel when the parent dies (Linux)
user, group     drop root to these ids
keep            a capability that survives the drop (Linux): `read` passes closed folders and
                reads, `override` also writes and executes
alias           be seen as this uid from inside, in a user namespace of our own (Linux): for
                programs that look their uid up in /etc/passwd and find nothing
"""

import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
# access(2), which Postgres calls on its own binary, would judge without the kept capability.
SECBITS_KEEP_CAPABILITIES = 1 << 2 | 1 << 4
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES = {"override": 1, "read": 2}
CLONE_NEWUSER = 0x10000000


def main() -> None:
    settings: dict[str, int | str] = json.loads(sys.argv[1])
    command = sys.argv[2:]
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if "user" in settings:
        drop_root(libc, settings, linux=linux)
    if "alias" in settings and linux:
        alias_user(libc, int(settings["alias"]))
    if linux:
        # After the change of credentials, which clears it.
        check(libc.prctl(PR_SET_PDEATHSIG, int(settings["death_signal"]), 0, 0, 0))
    if os.getppid() != settings["parent"]:
        sys.exit(1)
    os.execvp(command[0], command)


def drop_root(libc: ctypes.CDLL, settings: dict[str, int | str], *, linux: bool) -> None:
    keep = settings.get("keep")
    if linux and keep:
        check(libc.prctl(PR_SET_SECUREBITS, SECBITS_KEEP_CAPABILITIES, 0, 0, 0))
    os.setgroups([])
    os.setgid(int(settings["group"]))
    os.setuid(int(settings["user"]))
    if linux and keep:
        keep_capability(libc, CAPABILITIES[str(keep)])


def keep_capability(libc: ctypes.CDLL, number: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << number
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    check(libc.capset(header, sets))
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0))


def alias_user(libc: ctypes.CDLL, alias: int) -> None:
    user, group = os.geteuid(), os.getegid()
    check(libc.unshare(CLONE_NEWUSER))
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{alias} {user} 1")
    write("/proc/self/gid_map", f"{group} {group} 1")


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def check(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
