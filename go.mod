module github.com/modbpf/modbpf

go 1.26
