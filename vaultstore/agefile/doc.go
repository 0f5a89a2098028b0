// Package agefile is a vault on disk: one age file per credential, sealed to
// an identity of its owner and class.
//
// # Promise
//
// What is read is what was last written at that address, or an error says why
// not. Every file is bound to its address and class by a MAC whose key is
// derived from the identity, since age itself has no associated data and lets
// anyone who knows a public recipient make a file: a file that was swapped,
// moved, cut, flipped or forged is [vaultstore.ErrTampered]. An index beside
// the files, sealed alike, knows the generation and digest of each: one that
// was put back to an older one is [vaultstore.ErrRollback], one that was taken
// away [vaultstore.ErrMissing]. Nothing is returned before all of it has been
// read and checked.
//
// A write is a temporary file, fsynced, renamed over the old one, its folder
// fsynced. A process that is killed, or a machine that loses power, leaves the
// old entry or the new one. After the rename an error is
// [vaultstore.ErrUnknownOutcome], never success. Several processes may use one
// store; they take turns by file locks.
//
// An identity is made by [Init], or the first time that an owner stores
// something of a class, and never again: where there is data and no identity,
// the answer is [vaultstore.ErrSealed], not a fresh start. Everything is also
// sealed to a recovery recipient from the first day, whose identity this
// package never stores.
//
// # Limits
//
// Unless [InitOptions] names a custody, the identities are files, readable by
// the user who runs the host. They protect a copied store, a backup, a
// synchronised folder. They do not protect from whoever is that user, or has
// the whole disk; so class 3, the password, is kept only where a custody other
// than a file keeps its identity, which is loaded for as long as someone holds
// it: see [Store.LoadPasswords].
//
// With a custody the identities rest sealed to one that it keeps. It is asked
// when the store is opened, and no other is tried when it fails. While the
// store is open the identities are in this process's memory.
//
// A store put back as a whole, or an owner's one class with its index, or an
// owner's marks, is older but whole: that is noticed only against something
// kept elsewhere, such as the audit log. A value that was deleted or replaced
// may survive in spare blocks of the disk and in backups. The number and
// rough size of credentials, their names and the times of writing show in the
// tree; names are escaped, not hidden.
//
// Files must be on a file system with file locks, hard links and fsync of
// folders; network file systems are not made sure of.
//
// # Format
//
// FORMAT.md beside this file describes it byte by byte. It is version 1, 2 for
// keys under a custody, and every later version of this package opens what
// this one wrote.
package agefile
