package tablecopy

import (
	"container/heap"
	"context"
	"sync"
)

// job is a piece of work for any worker.
type job struct {
	cost int64
	run  func(context.Context, *worker) error
}

// queue of jobs, of which the one that takes longest comes first. Jobs may add jobs.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting jobs
	running int
	ended   bool
}

func newQueue() *queue {
	q := &queue{}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (q *queue) add(all ...job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range all {
		heap.Push(&q.waiting, j)
	}
	q.changed.Broadcast()
}

// end lets no worker take another job.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.changed.Broadcast()
}

// next job; it waits while others run that may add some. False once all is done. A job that was taken must be finished.
func (q *queue) next() (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.ended, len(q.waiting) == 0 && q.running == 0:
			return job{}, false
		case len(q.waiting) > 0:
			q.running++
			return heap.Pop(&q.waiting).(job), true
		}
		q.changed.Wait()
	}
}

// busy is how many workers have a job, or will have one at once.
func (q *queue) busy() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running + len(q.waiting)
}

func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	q.changed.Broadcast()
}

// jobs are a heap.
type jobs []job

func (j jobs) Len() int           { return len(j) }
func (j jobs) Less(a, b int) bool { return j[a].cost > j[b].cost }
func (j jobs) Swap(a, b int)      { j[a], j[b] = j[b], j[a] }

// Push is called by package heap.
func (j *jobs) Push(x any) { *j = append(*j, x.(job)) }

// Pop is called by package heap.
func (j *jobs) Pop() any {
	last := (*j)[len(*j)-1]
	*j = (*j)[:len(*j)-1]
	return last
}
