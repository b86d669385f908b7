package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// processorTime since the machine began, in ticks, as Linux's /proc/stat has it. Taken are those that it wanted
// and the host gave to others.
type processorTime struct{ all, idle, taken uint64 }

func readProcessorTime() (p processorTime, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return p, err
	}
	words := bufio.NewScanner(bytes.NewReader(stat))
	words.Split(bufio.ScanWords)
	words.Scan() // "cpu": all of them
	// user nice system idle iowait irq softirq steal; guests' are in user's
	for i := range 8 {
		if !words.Scan() {
			break
		}
		ticks, err := strconv.ParseUint(words.Text(), 10, 64)
		if err != nil {
			return p, fmt.Errorf("/proc/stat: %w", err)
		}
		p.all += ticks
		switch i {
		case 3, 4:
			p.idle += ticks
		case 7:
			p.taken = ticks
		}
	}
	return p, nil
}

// machineReport is how much of the machine there was for what was measured.
type machineReport struct {
	Cores int `json:"cores"`
	// BusyPercent includes what was taken.
	BusyPercent float64 `json:"busyPercent"`
	// TakenPercent of the time the host let others run instead.
	TakenPercent float64 `json:"takenPercent"`
}

func machineSince(before processorTime) (machineReport, error) {
	now, err := readProcessorTime()
	r := machineReport{Cores: runtime.NumCPU()}
	if all := float64(now.all - before.all); all > 0 && err == nil {
		r.BusyPercent = round(100 * (all - float64(now.idle-before.idle)) / all)
		r.TakenPercent = round(100 * float64(now.taken-before.taken) / all)
	}
	return r, err
}
