module strongroom.invalid/strongroom/tests/go

// What Debian 12 has; x/mod v0.20.0 is the last that this Go can build.
go 1.19

require golang.org/x/mod v0.20.0
