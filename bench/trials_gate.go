package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// The names of the sides of gateTrial.
const (
	staticHandler  = "nginx, auth_request to a static 204 of net/http"
	staticUpstream = "nginx, auth_request to a static 204 of nginx"
	staticLocation = "nginx, auth_request to a static 204 without a request"
	gated          = "nginx, auth_request to a gate"
)

// gateTrial measures one nginx in front of a service, whose requests are admitted by a gate, by
// the 204 of a bare Go server or of another server of nginx, or by a location of its own.
func gateTrial() trial {
	const conns = 32
	request := func(path string) func(*env) (runner, error) {
		return func(e *env) (runner, error) {
			s, err := once(e, "gate", e.startGate)
			if err != nil {
				return runner{}, err
			}
			r := load.Post(path, s.plain, `{}`, "served")
			pids := []int{s.nginx.PID(), s.node.PID(), s.static.PID()}
			return httpTarget(load.Same(r), pids, s.addr).closed(conns)
		}
	}
	return trial{
		id: "gate", title: "nginx with a gate",
		about: "Closed loop, 32 connections to nginx with two workers, which asks for each request " +
			"and passes it to a service that is another server of the same nginx. The static 204 " +
			"of nginx is another server of it too, over a Unix socket. The key is plain, and the " +
			"gate has a header with the id of the request. CPU time is that of all servers.",
		sides: []side{
			{name: staticHandler, open: request("/handler/")},
			{name: gated, open: request("/gate/")},
			{name: staticUpstream, open: request("/upstream/")},
			{name: staticLocation, open: request("/location/")},
		},
	}
}

// gateSetup is a node with a gate behind nginx.
type gateSetup struct {
	fixture
	node   node
	static running
	nginx  *proc.Process
	addr   string // of nginx
}

// startGate starts a node twice: a gate needs the id of an API.
func (e *env) startGate() (*gateSetup, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, skip{errors.New("nginx is not installed")}
		}
	}
	program, err := e.build()
	if err != nil {
		return nil, err
	}
	data, err := e.folder("gate")
	if err != nil {
		return nil, err
	}
	s := new(gateSetup)
	first, err := serve(program, data)
	if err != nil {
		return nil, err
	}
	if s.fixture, err = newFixture(first.addr, first.rootKey); err != nil {
		return nil, errors.Join(err, first.Stop())
	}
	if err := first.Stop(); err != nil {
		return nil, err
	}
	s.node, err = serve(program, data, "--gates",
		`{"docs":{"api":"`+s.api+`","fold":true,"requestId":"Latchkey-Request-Id"}}`)
	if err != nil {
		return nil, err
	}
	e.onClose(s.node.Stop)
	if s.static, err = e.startOwn("static", servers.Config{}); err != nil {
		return nil, err
	}
	return s, s.startNginx(e, nginx)
}

// startNginx starts nginx in front of the node.
func (s *gateSetup) startNginx(e *env, program string) error {
	dir, err := e.folder("nginx")
	if err != nil {
		return err
	}
	service, static := "unix:"+filepath.Join(dir, "service"), "unix:"+filepath.Join(dir, "static")
	if s.addr, err = freeAddress(); err != nil {
		return err
	}
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(gateNginx, dir, s.node.addr, service, static, s.addr, s.static.addr)
	for name, text := range map[string]string{"nginx.conf": text, "pass": gatePass, "ask": gateAsk} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(program, "-c", file, "-e", "stderr", "-g", "daemon off;")
	s.nginx, err = e.start(cmd, func() error {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return err
}

// freeAddress returns a loopback address on which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// gateNginx is deploy/gate/nginx.conf without TLS and with the two other ways to admit a request.
const gateNginx = `
worker_processes 2;
pid %[1]s/pid;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    upstream latchkey { server %[2]s; keepalive 64; keepalive_requests 1000000000; }
    upstream service { server %[3]s; keepalive 64; keepalive_requests 1000000000; }
    upstream static { server %[4]s; keepalive 64; keepalive_requests 1000000000; }
    upstream handler { server %[6]s; keepalive 64; keepalive_requests 1000000000; }
    proxy_http_version 1.1;
    server {
        listen %[3]s;
        location / { return 200 served; }
    }
    server {
        listen %[4]s;
        location / { return 204; }
    }
    server {
        listen %[5]s;
        location /gate/ { auth_request /_gate; include %[1]s/pass; }
        location /handler/ { auth_request /_handler; include %[1]s/pass; }
        location /upstream/ { auth_request /_upstream; include %[1]s/pass; }
        location /location/ { auth_request /_location; include %[1]s/pass; }
        location = /_gate { internal; include %[1]s/ask; proxy_pass http://latchkey/auth/docs; }
        location = /_handler { internal; include %[1]s/ask; proxy_pass http://handler; }
        location = /_upstream { internal; include %[1]s/ask; proxy_pass http://static; }
        location = /_location { internal; return 204; }
    }
}
`

// gatePass is what all locations of the service have.
const gatePass = `
auth_request_set $latchkey_status $upstream_http_latchkey_status;
auth_request_set $latchkey_retry_after $upstream_http_retry_after;
auth_request_set $latchkey_key_id $upstream_http_latchkey_key_id;
auth_request_set $latchkey_external_id $upstream_http_latchkey_external_id;
auth_request_set $latchkey_permissions $upstream_http_latchkey_permissions;
auth_request_set $latchkey_credits $upstream_http_latchkey_credits;
proxy_set_header Connection "";
proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header Latchkey-Key-Id $latchkey_key_id;
proxy_set_header Latchkey-External-Id $latchkey_external_id;
proxy_set_header Latchkey-Permissions $latchkey_permissions;
proxy_set_header Latchkey-Credits $latchkey_credits;
proxy_set_header Authorization "";
proxy_pass http://service;
`

// gateAsk is what both questions over HTTP have.
const gateAsk = `
proxy_pass_request_body off;
proxy_set_header Connection "";
proxy_set_header Content-Length "";
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header Latchkey-Request-Id $request_id;
proxy_buffer_size 16k;
proxy_buffers 4 16k;
`
