// Package filestore reads the files of nats-server's file store and touches none of them.
//
// The server mends what it finds: at the first record of a block that it cannot read it cuts the rest off, and where blocks
// are missing it goes on without them. That is right after a crash, which leaves half a record at the end, and wrong after
// damage, when good records follow. This package tells one from the other before the server is started.
//
// The format is that of nats-server 2.10 to 2.15, without encryption and compression, which vidbell does not use. A record of
// a block is
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] body checksum(8)
//
// all in little endian, where the highest bit of the length says that there is a header, the two highest bits of the sequence
// mark messages that are deleted, and the checksum is a HighwayHash keyed by the names of stream and block.
package filestore
