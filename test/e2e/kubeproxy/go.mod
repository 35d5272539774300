module slicewright.io/test/e2e/kubeproxy

go 1.26.0
