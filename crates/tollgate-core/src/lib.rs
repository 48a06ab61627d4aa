//! One request, seven stages: receive, admit, route, reserve, attempt, reply, settle.
