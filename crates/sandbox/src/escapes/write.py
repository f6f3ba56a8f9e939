# Stops long before 1 GB: what lets this much through lets everything through.
ENOUGH = 40 << 20
MEGABYTE = bytes(1 << 20)


def fill(folder):
    written = 0
    for number in range(ENOUGH >> 22):
        with open("%s/filled-%d" % (folder, number), "wb", buffering=0) as file:
            for _ in range(4):
                written += file.write(MEGABYTE)
    if written < ENOUGH:
        raise OSError("short")
    return True


def one(folder):
    written = 0
    with open(folder + "/one", "wb", buffering=0) as file:
        while written < ENOUGH:
            written += file.write(MEGABYTE)


def memory():
    for number in range(ENOUGH >> 22):
        file = os.memfd_create("filled")
        os.write(file, MEGABYTE)


for folder in (SCRATCH, "/dev/shm", "/tmp", "/run", "/", "."):
    attempt("one large file in " + folder, one, folder)
    if attempt("many files in " + folder, fill, folder):
        break
attempt("files in memory", memory)
attempt("a file was removed", os.remove, VICTIM_FILE)
attempt("a file was truncated", os.truncate, VICTIM_FILE, 0)
attempt("a folder was made", os.mkdir, SCRATCH + "/made")
attempt("modes were changed", os.chmod, VICTIM_FILE, 0o777)
say("TRIED")
