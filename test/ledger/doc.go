// Package ledger proves that no write is lost, doubled or seen to vanish.
//
// A Workload is many clients that write through the applications' endpoint as an
// application does, and keep a ledger of what they were told: acknowledged, refused, or
// unknown because the connection broke before the answer. Afterwards Check compares the
// ledger with what the databases hold. It trusts neither Gitover nor PostgreSQL, only the
// clients' own book.
//
// What is proved, for each database:
//
//   - an acknowledged write is there exactly once, a refused one isn't, an unknown one at
//     most once, and a transaction is there as a whole or not at all;
//   - counters equal the sum of acknowledged increments, give or take the unknown ones;
//   - a sequence never hands out the same value twice;
//   - a session never reads a state older than one it has seen or made, of its own rows or
//     of others';
//   - rows say which server accepted them: servers take turns, they never overlap;
//   - each server's WAL says the same of every commit, rows left or not (WALReader), and
//     the turns are the recorded switches' (SplitBrains).
//
// The checker is tested itself with histories that hold each of these faults.
package ledger
