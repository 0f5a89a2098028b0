package host

import "sync"

// movers are the goroutines that move the bytes of a run's exchanges. One that
// is done waits for the next exchange, if there are not enough of them: its
// stack has grown to what an exchange takes.
type movers struct {
	sync.WaitGroup
	jobs chan func()
	over chan struct{}
	mu   sync.Mutex
	idle int // waiting, or about to
}

// maxIdle is how many goroutines wait for the next exchange.
const maxIdle = 2

func newMovers() *movers { return &movers{jobs: make(chan func()), over: make(chan struct{})} }

// move has job done by a goroutine that waits, or by another. It is called by
// one goroutine at a time, and not after end.
func (m *movers) move(job func()) {
	select {
	case m.jobs <- job:
	default:
		m.Go(func() { m.work(job) })
	}
}

func (m *movers) work(job func()) {
	for {
		job()
		m.mu.Lock()
		stay := m.idle < maxIdle
		if stay {
			m.idle++
		}
		m.mu.Unlock()
		if !stay {
			return
		}
		select {
		case job = <-m.jobs:
		case <-m.over:
			return
		}
		m.mu.Lock()
		m.idle--
		m.mu.Unlock()
	}
}

// end waits until all is moved.
func (m *movers) end() {
	close(m.over)
	m.Wait()
}
