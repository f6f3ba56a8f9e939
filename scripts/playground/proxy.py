"""Serves the playground from its files and hands everything else to a server: for work on the page without a build.

usage: proxy.py http://127.0.0.1:8000 [PORT]
"""
import base64
import hashlib
import http.client
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SERVE = Path(__file__).resolve().parents[2] / "crates" / "serve"


def page():
    """The page and its policy, as playground.rs puts them together."""
    source = (SERVE / "src" / "playground.rs").read_text()
    names = re.findall(r'include_str!\("../(assets/playground/[a-z]+\.(?:js|css))"\)', source)
    read = {ending: "".join((SERVE / name).read_text() for name in names if name.endswith(ending)) for ending in ("css", "js")}
    sha = {ending: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for ending, text in read.items()}
    html = (SERVE / "assets/playground/page.html").read_text()
    html = html.replace("{{style}}", read["css"], 1).replace("{{script}}", read["js"], 1)
    policy = re.search(r'"(default-src.*?)",\n', source, re.S).group(1)
    policy = re.sub(r"\\\n\s*", "", policy).replace("{}", sha["js"], 1).replace("{}", sha["css"], 1)
    return html.encode(), policy


class Handler(BaseHTTPRequestHandler):
    upstream = None

    def do_GET(self):
        if self.path != "/":
            return self.forward()
        html, policy = page()
        self.send_response(200)
        for name, value in (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy),
                            ("Cache-Control", "no-store"), ("Content-Length", str(len(html)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(html)

    def do_POST(self):
        self.forward()

    def forward(self):
        """Chunk by chunk; a reader who goes away takes the connection behind with them."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port)
        kept = {name: value for name, value in self.headers.items() if name.lower() in ("authorization", "content-type")}
        try:
            there.request(self.command, self.path, body or None, kept)
            response = there.getresponse()
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers.get("Content-Type", ""))
            self.end_headers()
            while chunk := response.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            there.close()

    def log_message(self, *_):
        pass


def listen(upstream, port=0):
    """A proxy that listens; `serve_forever` makes it answer."""
    handler = type("To", (Handler,), {"upstream": urlsplit(upstream)})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    server = listen(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 8001)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()
