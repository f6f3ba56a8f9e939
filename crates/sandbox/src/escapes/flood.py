block = b"x" * (1 << 16)
for number in (2, 1):
    for _ in range(512):
        os.write(number, block)
