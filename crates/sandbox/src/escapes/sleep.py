import time

say("TRIED")
time.sleep(600)
