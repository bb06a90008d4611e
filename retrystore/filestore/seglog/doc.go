// Package seglog is an append-only log of records in a directory of segment files. It knows nothing
// of what the records mean.
//
// # What it promises
//
// Append returns after the whole batch is durable: one write and one sync. A batch starts at a
// multiple of 4,096 bytes, so that no write ever touches a block that holds an earlier batch. Files
// are allocated and zeroed ahead of their use, so that a batch needs no new space and its sync
// writes no metadata.
//
// After a failed write or sync nothing is known about the blocks that were to be written. The segment
// is then never written to again. The batch goes into the next segment, which says where the valid
// part of the failed one ends.
//
// Open reads every record once, in the order in which they were appended. A damaged record costs that
// record: the reader finds the next one behind it, and reports the place. An incomplete batch at the
// end of a log that was not closed is what a power cut leaves behind. Its callers were told nothing,
// so it is no damage.
//
// # Format
//
// All numbers are little-endian. Checksums are CRC-32C. A segment is a file `<number>.seg`, its number in
// 16 hexadecimal digits. Numbers grow; there may be gaps. The first 4,096 bytes are the header, twice
// the same, at 0 and at 2,048:
//
//	 0   8  magic "whseglog"
//	 8   4  version, 1
//	12   4  reserved, zero
//	16   8  number of the segment
//	24   8  size of the file
//	32  16  salt: random, new for each use of the file
//	48  16  identity of the log
//	64   4  checksum of the bytes before
//
// Records follow. A record starts at a multiple of 8 bytes, the first of a batch at a multiple of 4,096.
// The bytes in between are zero, or what an earlier use of the file has left there.
//
//	 0   4  length of the payload
//	 4   1  kind
//	 5   1  flags: 1 first of its batch, 2 last of its batch
//	 6   2  reserved, zero
//	 8   8  number of the record, one more than the one before
//	16   8  id: the caller's
//	24   4  checksum of the payload
//	28   4  checksum of the segment's salt and the bytes before
//	32      payload
//
// The salt makes records of an earlier use invalid, and keeps whoever chooses a payload from forging
// a record in it.
//
// Kinds from 128 on are the log's own. 255 (opened) is the first record of each segment: for one or
// more earlier segments, where their valid part ends, and which parts of it are known to be torn; each is
// number, end, count of parts and for each part its two ends, all as uvarints. 254 (closed) is the last
// record of a log that was closed, until more are appended.
package seglog
