package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gitover/gitover/test/cluster/image"
	"github.com/gitover/gitover/test/cluster/progress"
)

func main() {
	report := progress.New()
	b := image.Builder{Dir: ".cache/images", Tools: ".cache/tools", Logs: ".cache/logs"}
	wd, _ := os.Getwd()
	b.Dir = wd + "/" + b.Dir
	for _, n := range os.Args[2:] {
		r, err := image.Find(n)
		if err == nil {
			err = report.Step("image "+n, "Debian's packages", func() error { return b.Build(context.Background(), r) })
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}
