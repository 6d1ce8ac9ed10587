// SPDX-License-Identifier: Apache-2.0

package kfuncs

//go:generate go run ../internal/gen/kerneltables -top ..
