# Says which interpreter this is and which files it needs, as JSON.
import json, os, sys, sysconfig

names = sysconfig.get_paths()
stdlib = {os.path.realpath(names[key]) for key in ("stdlib", "platstdlib")}
for folder in sys.path:
    if folder.endswith("lib-dynload") and os.path.isdir(folder):
        stdlib.add(os.path.realpath(folder))
        for file in sorted(os.listdir(folder)):
            name = file.split(".")[0]
            if file.endswith(".so") and not name.startswith(("_test", "_xx", "xx", "_tkinter", "_ctypes")):
                try:
                    __import__(name)
                except Exception:
                    pass
libraries = set()
with open("/proc/self/maps") as maps:
    for line in maps:
        fields = line.rstrip("\n").split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/") and ".so" in os.path.basename(fields[5]):
            libraries.add(fields[5])
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "stdlib": sorted(stdlib),
    "libraries": sorted(libraries),
}))
