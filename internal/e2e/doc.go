// Package e2e holds the promises of the README against the real program: the vidbell binary, built once, runs as a process
// of its own between a simulated platform, webhook receivers that verify with the reference library of Standard Webhooks,
// and NATS clients. There is only test code here.
//
// # What the tests hold
//
//	TestKill9                        SIGKILL at random moments (by the clock, after an answer of the platform, in or after
//	                                 a delivery), the walk of the baseline included, while videos finish, are uploaded and
//	                                 are processed anew
//	TestExternalEngineRestart        the NATS server is away at the start, and goes away and comes back twice
//	TestTwoProcesses                 two at once on one server from an empty log on; one is killed and comes back
//	TestReceiverDownAndBack          a receiver answers 500, refuses connections, returns; another one does not notice
//	TestPlainSubscribers             who listens on the embedded server hears what is stored, and may publish nothing
//	TestNothingIsHeardThatIsNotStored
//	                                 the log takes nothing while NATS is up: silence until it does
//	TestStop...                      SIGTERM ends with 0 after what is under way was delivered; a second signal ends at once
//	the other ones                   the command line as a user meets it: texts, exit codes, the variable that is to blame
//
// The platform's truth is written down as it happens, and in the end every test of events compares all ledgers
// (ledger.check): each video has exactly the events that its moves on the platform call for, in order, versions 1, 2, 3;
// each event is stored once, under one id; whatever arrived is stored, byte for byte, each time; whatever is stored arrived,
// or is a dead letter. Of every process of every test, output and metrics are searched for secrets, crashes and data races.
//
// # Repeating a run
//
// A test that draws lots prints its seed. The seed repeats what was drawn (moments, fates, status words), not the timing of
// the machine.
//
//	E2E_SEED=1795545742071543076 go test -race -run TestKill9 ./internal/e2e
//	E2E_KILLS=100 go test -race -run TestKill9 -timeout 30m ./internal/e2e     a campaign
//	E2E_BINARY=/usr/bin/vidbell go test ./internal/e2e                         a binary that was built elsewhere
//
// The binary is built with the race detector when the tests are. With -short there are fewer kills and outages.
package e2e
