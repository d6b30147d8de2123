package redisq

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// Presence makes an agent be seen alive: others look in CLIENT LIST for a
// connection with its name, idle for at most 8 s, in BRPOP.
type Presence struct {
	agent    string
	interval time.Duration
	link     *link
	log      *logrus.Entry
}

// maxPresenceWait keeps the connection's idle time under the 8 s that others accept.
const maxPresenceWait = 5 * time.Second

// NewPresence returns the presence of an agent on the server.
func NewPresence(opt Options) *Presence {
	return &Presence{
		agent:    opt.Agent,
		interval: min(opt.PollingInterval, maxPresenceWait),
		link:     &link{server: opt.Server, size: 1},
		log:      opt.Log,
	}
}

// Run shows the agent until ctx ends. What goes wrong is left to the queue to
// report: it has the same server.
func (p *Presence) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.wait(ctx)
		if err == nil || errors.Is(err, redis.Nil) {
			continue
		}
		p.log.Debugf("presence: %v", err)
		p.link.drop(nil)
		pause(ctx, retryPause(err, p.interval))
	}
	if err := p.link.close(); err != nil {
		p.log.Debugf("presence: close: %v", err)
	}
}

// Reconnect drops the connection: the next one resolves the address again.
func (p *Presence) Reconnect() { p.link.drop(nil) }

func (p *Presence) wait(ctx context.Context) error {
	client := p.link.get()
	defer context.AfterFunc(ctx, func() { p.link.drop(client) })()
	return client.Do(context.WithoutCancel(ctx), "brpop", presenceKey(p.agent), fractions(p.interval)).Err()
}
