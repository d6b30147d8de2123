package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"cluster-agent/integration/lab"
)

// exitTrailer carries a command's exit code after its output.
const exitTrailer = "Lab-Exit-Code"

// firstCall is how long a kept lab waits for the client that started it.
const firstCall = 10 * time.Second

// kept is a lab that outlives the demo, and does what clients ask.
type kept struct {
	options

	down   context.CancelFunc
	called *time.Timer // takes the lab down unless a client calls

	mu sync.Mutex // one request at a time
	c  *lab.Cluster
}

func newKept(o options) *kept { return &kept{options: o} }

// serve answers until the lab is to go down. The namespaces end with the process, and
// everything in them.
func (k *kept) serve(ctx context.Context, listener net.Listener) error {
	ctx, k.down = context.WithCancel(ctx)
	defer k.down()
	k.called = time.AfterFunc(firstCall, k.down)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /demo", k.text(k.demo))
	mux.HandleFunc("GET /status", k.text(k.status))
	mux.HandleFunc("POST /nodes/{id}/{do}", k.text(k.power))
	mux.HandleFunc("GET /nodes", k.nodes)
	mux.HandleFunc("POST /down", func(http.ResponseWriter, *http.Request) { k.down() })
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: firstCall,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			return // the process ends anyway
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// text makes a handler of a function that prints for a person.
func (k *kept) text(do func(ctx context.Context, out *printer, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		defer k.mu.Unlock()
		w.Header().Set("Trailer", exitTrailer)
		out := &printer{to: flushing{w}, colour: r.URL.Query().Has("colour")}
		err := verdict(r.Context(), out, do(r.Context(), out, r))
		code, ok := errors.AsType[exit](err)
		if err != nil && !ok {
			code = 1
		}
		w.Header().Set(exitTrailer, strconv.Itoa(int(code)))
	}
}

// flushing sends every line on its way at once.
type flushing struct{ w http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	return n, err
}

// demo runs the demo, once. Who goes away in the middle takes the lab along.
func (k *kept) demo(ctx context.Context, out *printer, _ *http.Request) error {
	if !k.called.Stop() || k.c != nil {
		return errors.New("this lab has had its demo")
	}
	d := &demo{out: out, options: k.options}
	err := d.run(ctx)
	k.c = d.cluster
	if ctx.Err() != nil || k.c == nil {
		k.down()
	}
	return err
}

func (k *kept) status(ctx context.Context, out *printer, _ *http.Request) error {
	if k.c == nil {
		return errors.New("there is no cluster yet")
	}
	now := k.now(ctx)
	off := slices.DeleteFunc(slices.Clone(now.Members), func(id int) bool { return slices.Contains(now.On(), id) })
	if len(off) > 0 {
		out.line("off: " + numbers(off) + "\n")
	}
	return show(ctx, out, now)
}

// now is the cluster as its nodes see it: who leads is what most of them say, for
// commands typed into nodes may have changed that.
func (k *kept) now(ctx context.Context) *lab.Cluster {
	now := *k.c
	votes := map[int]int{}
	for _, v := range now.Views(ctx) {
		id, err := strconv.Atoi(v.Leader)
		if votes[id]++; err == nil && slices.Contains(k.c.Members, id) && votes[id] > votes[now.Leader] {
			now.Leader = id
		}
	}
	return &now
}

// power does something to one node's power or cable.
func (k *kept) power(ctx context.Context, _ *printer, r *http.Request) error {
	id, err := strconv.Atoi(r.PathValue("id"))
	if k.c == nil || err != nil || id < 1 || id > len(k.c.Lab.Nodes) {
		return fmt.Errorf("there is no node %s", r.PathValue("id"))
	}
	n := k.c.Lab.Node(id)
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	switch r.PathValue("do") {
	case "off":
		return n.PowerOff(ctx)
	case "on":
		return n.PowerOn(ctx)
	case "cut":
		return n.CutLink()
	case "plug":
		return n.RestoreLink(ctx)
	default:
		return fmt.Errorf("nobody can %q a node", r.PathValue("do"))
	}
}

// place says where a node's namespaces are: at a process, by the lab's own numbering.
type place struct {
	ID     int `json:"id"`
	Holder int `json:"holder"`
}

func (k *kept) nodes(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var places []place
	if k.c != nil {
		for _, n := range k.c.Lab.Nodes {
			places = append(places, place{ID: n.ID, Holder: n.Holder()})
		}
	}
	if err := json.NewEncoder(w).Encode(places); err != nil {
		return // the client has gone
	}
}
