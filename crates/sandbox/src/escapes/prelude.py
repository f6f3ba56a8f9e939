import os


def say(text):
    os.write(1, (text + "\n").encode())


def attempt(what, action, *arguments):
    try:
        result = action(*arguments)
    except BaseException as error:
        say("refused: %s (%s)" % (what, type(error).__name__))
        return None
    say("ESCAPED: " + what)
    return result


