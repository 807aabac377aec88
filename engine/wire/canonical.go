package wire

// MaxBlock is the largest block: a chunk of a file. Tree nodes are smaller.
const MaxBlock = 256 << 10

// checkItem checks one item at the start of data and returns what follows it.
func checkItem(data []byte, depth int) ([]byte, error) {
	// The walker lands with the codec; decMode refuses most of it already.
	return nil, decMode.Wellformed(data)
}
