// Package contract holds what is asked and answered over HTTP against docs/openapi.yaml. It is for tests: a [Contract] wraps the
// transport of a client and finds what the document does not say, or says otherwise.
//
//   - A status, media type or header that is not described, and a body that its schema refuses. Schemas are taken strictly: a field
//     that the document does not have is a mistake of the document, though callers are told to ignore it.
//   - A request that the document calls wrong, but that was taken: a parameter or field that is unknown, too long, out of range.
//   - An error that is no problem document, and a header that lets scripts of other sites in, on any page.
//
// What streams (text/event-stream) is not read: only its status and type are looked at.
package contract
