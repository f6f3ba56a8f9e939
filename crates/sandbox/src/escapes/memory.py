import mmap

held = []
attempt("8 GB at once", lambda: held.append(bytearray(8 << 30)))
attempt("8 GB mapped", lambda: held.append(mmap.mmap(-1, 8 << 30)))
attempt("8 GB in pieces", lambda: held.extend(mmap.mmap(-1, 1 << 28) for _ in range(32)))
say("TRIED")
