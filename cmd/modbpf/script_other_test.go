// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

func condition(string) (bool, error) { return false, nil }

func nobody(ts *testscript.TestScript, _ bool, _ []string)   { ts.Fatalf("only on Linux") }
func bpffs(ts *testscript.TestScript, _ bool, _ []string)    { ts.Fatalf("only on Linux") }
func readonly(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("only on Linux") }
func netns(ts *testscript.TestScript, _ bool, _ []string)    { ts.Fatalf("only on Linux") }
func traffic(ts *testscript.TestScript, _ bool, _ []string)  { ts.Fatalf("only on Linux") }
