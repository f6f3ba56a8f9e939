import _thread, time


def many(start):
    for _ in range(64):
        start()


def fork():
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


attempt("64 processes", many, fork)
attempt("64 threads", many, lambda: _thread.start_new_thread(time.sleep, (60,)))
say("TRIED")
