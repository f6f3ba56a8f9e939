import subprocess

attempt("a shell", subprocess.run, ["/bin/sh", "-c", "true"])
say("TRIED")
os.execv("/bin/sh", ["sh", "-c", "echo ESCAPED: became a shell"])
