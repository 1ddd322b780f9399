import subprocess
import sys

PROGRAM = """
import socket, sys, threading
import eventrain_trainer
from eventrain_trainer.wire import Wire

server = socket.create_server(("127.0.0.1", 0))

def answer():
    peer, _ = server.accept()
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\n{}")

threading.Thread(target=answer, daemon=True).start()
before = set(sys.modules)
found = Wire(5).send("POST", f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}")
print(found.status, sorted(set(sys.modules) - before))
"""


class TestWire:
    def test_imports_nothing_while_the_training_goes_on(self) -> None:
        said = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
        )
        assert said.stdout.strip() == "200 []"
