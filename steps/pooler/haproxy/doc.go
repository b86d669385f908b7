// Package haproxy leads one HAProxy: by the runtime API on its socket, and by the file that an HAProxy that starts reads.
//
// HAProxy passes connections on and knows no transactions. A hold lets no new connection through: `set maxconn frontend … 0`
// leaves them in the kernel's queue, where they wait without an error. Connections that exist are not held: the old side's
// fence ends them. It relies on this behavior of 2.6 to 3.0: a frontend with maxconn 0 accepts nothing and refuses nothing;
// raising the number accepts what waits; `show stat` names the number in force; a restart forgets all of it and reads the file.
package haproxy
