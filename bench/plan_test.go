package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCarelessPlansAreFound(t *testing.T) {
	t.Parallel()
	over := func(kind string, below ...planNode) planNode { return planNode{NodeType: kind, Plans: below} }
	backlog := func(kind string) planNode { return planNode{NodeType: kind, RelationName: "pending"} }
	for name, c := range map[string]struct {
		plan planNode
		want int
	}{
		"through the index":          {over("Nested Loop", over("Limit", backlog("Index Only Scan"))), 0},
		"sequential":                 {over("Limit", backlog("Seq Scan")), 1},
		"bitmap":                     {over("Aggregate", backlog("Bitmap Heap Scan")), 1},
		"sorted":                     {over("Limit", over("Sort", backlog("Index Scan"))), 1},
		"partly sorted":              {over("Incremental Sort", backlog("Index Scan")), 1},
		"sorted after a limit":       {over("Sort", over("Nested Loop", over("Limit", backlog("Index Scan")))), 0},
		"sorted after it is counted": {over("Sort", over("Aggregate", backlog("Index Scan"))), 0},
		"scanned and sorted":         {over("Sort", backlog("Seq Scan")), 2},
		"deleted":                    {planNode{NodeType: "ModifyTable", RelationName: "pending", Plans: []planNode{backlog("Index Scan")}}, 0},
		"another table":              {over("Sort", planNode{NodeType: "Seq Scan", RelationName: "running"}), 0},
	} {
		require.Equal(t, c.want, c.plan.careless(), name)
	}
}
