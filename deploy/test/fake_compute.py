"""As much of the Compute API as the scripts in deploy/gcp use, on loopback and in memory.

    fake_compute.py PORT_FILE       listens on a free port and writes its number there

Every operation is DONE at once. GET /fake shows the state; POST /fake {"instances_max": N} sets
a quota, beyond which an instance is refused as the real one refuses it.
"""

import base64
import http.server
import json
import os
import re
import sys
import threading

STATE = {"instances": {}, "firewalls": {}, "instances_max": 99, "requests": []}
LOCK = threading.Lock()


class Refused(Exception):
    def __init__(self, code, reason, message):
        super().__init__(message)
        self.answer = {"error": {"code": code, "message": message, "errors": [
            {"domain": "global", "reason": reason, "message": message}]}}
        self.code = code


def operation(base, kind, place, target):
    name = f"operation-{len(STATE['requests'])}"
    return {"kind": "compute#operation", "id": "1", "name": name, "operationType": kind,
            "status": "DONE", "progress": 100, "targetLink": target, "targetId": "1",
            "selfLink": f"{base}/{place}/operations/{name}",
            **({"zone": f"{base}/{place}"} if place.startswith("zones/") else {})}


def new_instance(base, zone, body):
    name = body["name"]
    if name in STATE["instances"]:
        raise Refused(409, "alreadyExists", f"The resource '{base}/zones/{zone}/instances/{name}' already exists")
    if len(STATE["instances"]) >= STATE["instances_max"]:
        raise Refused(403, "quotaExceeded", f"Quota 'CPUS' exceeded.  Limit: {STATE['instances_max']}.0 in region {zone[:-2]}.")
    number = len(STATE["requests"]) % 200 + 2
    body.update({
        "kind": "compute#instance", "id": str(number), "status": "RUNNING", "zone": f"{base}/zones/{zone}",
        "selfLink": f"{base}/zones/{zone}/instances/{name}",
        "labelFingerprint": base64.b64encode(name.encode()).decode()})
    body["metadata"]["fingerprint"] = body["tags"]["fingerprint"] = body["labelFingerprint"]
    body["networkInterfaces"][0]["networkIP"] = f"10.132.0.{number}"
    body["networkInterfaces"][0]["accessConfigs"][0]["natIP"] = f"203.0.113.{number}"
    STATE["instances"][name] = body
    return operation(base, "insert", f"zones/{zone}", body["selfLink"])


def take(table, name, what):
    if name not in STATE[table]:
        raise Refused(404, "notFound", f"The resource '{what}' was not found")
    return STATE[table].pop(name)


def answer(method, path, body, origin):
    """What the API says to one request."""
    path = path.split("?")[0]
    if path == "/fake":
        STATE.update(body or {})
        return STATE
    STATE["requests"].append(f"{method} {path}")
    found = re.fullmatch(r"/compute/v1/projects/([^/]+)/(.*)", path)
    if not found:
        raise Refused(404, "notFound", f"no such path: {path}")
    base, rest = f"{origin}/compute/v1/projects/{found[1]}", found[2]
    words = rest.split("/")
    match method, words:
        case _, [*_, "operations", name] | [*_, "operations", name, "wait"]:
            place = rest.split("/operations")[0]
            return {**operation(base, "insert", place, base), "name": name}
        case "GET", ["zones", zone]:
            return {"kind": "compute#zone", "name": zone, "status": "UP", "selfLink": f"{base}/{rest}"}
        case "GET", ["aggregated", "instances"]:
            items = {}
            for one in STATE["instances"].values():
                zone = "zones/" + one["zone"].rsplit("/", 1)[1]
                items.setdefault(zone, {"instances": []})["instances"].append(one)
            return {"kind": "compute#instanceAggregatedList", "items": items}
        case "POST", ["zones", zone, "instances"]:
            return new_instance(base, zone, body)
        case "GET", ["zones", _, "instances", name] if name in STATE["instances"]:
            return STATE["instances"][name]
        case "DELETE", ["zones", zone, "instances", name]:
            take("instances", name, f"{base}/{rest}")
            return operation(base, "delete", f"zones/{zone}", f"{base}/{rest}")
        case "GET", ["global", "firewalls"]:
            return {"kind": "compute#firewallList", "items": list(STATE["firewalls"].values())}
        case "POST", ["global", "firewalls"]:
            body.update({"kind": "compute#firewall", "id": "7", "selfLink": f"{base}/{rest}/{body['name']}"})
            STATE["firewalls"][body["name"]] = body
            return operation(base, "insert", "global", body["selfLink"])
        case "GET", ["global", "firewalls", name] if name in STATE["firewalls"]:
            return STATE["firewalls"][name]
        case "DELETE", ["global", "firewalls", name]:
            take("firewalls", name, f"{base}/{rest}")
            return operation(base, "delete", "global", f"{base}/{rest}")
    raise Refused(404, "notFound", f"The resource '{base}/{rest}' was not found")


def answered(method, path, text, origin):
    try:
        with LOCK:
            return 200, answer(method, path, json.loads(text) if text.strip() else None, origin)
    except Refused as refused:
        return refused.code, refused.answer


class Handler(http.server.BaseHTTPRequestHandler):
    def handle_any(self):
        text = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        origin = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.startswith("/batch/"):
            self.batch(text, origin)
            return
        code, data = answered(self.command, self.path, text, origin)
        self.reply(code, json.dumps(data), "application/json")

    def batch(self, text, origin):
        """Several requests in one, as multipart/mixed; each is answered in a part of its own."""
        boundary = re.search(r'boundary="?([^";]+)', self.headers["content-type"])[1]
        parts = []
        for part in text.split(f"--{boundary}")[1:-1]:
            head, inner = part.replace("\r\n", "\n").strip("\n").split("\n\n", 1)
            number = re.search(r"(?im)^content-id: *<?([^>\n]+)", head)[1]
            request, _, rest = inner.partition("\n")
            method, path, _ = request.split(" ")
            code, data = answered(method, path, rest.partition("\n\n")[2], origin)
            parts.append(f"--answer\r\nContent-Type: application/http\r\nContent-ID: <response-{number}>\r\n\r\n"
                         f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n\r\n{json.dumps(data)}\r\n")
        self.reply(200, "".join(parts) + "--answer--\r\n", 'multipart/mixed; boundary="answer"')

    def reply(self, code, text, kind):
        data = text.encode()
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *words):
        pass


def main():
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
        file.write(str(listening.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    listening.serve_forever()


main()
