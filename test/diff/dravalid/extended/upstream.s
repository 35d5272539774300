// Empty: with it the compiler takes the function in upstream.go that has no body here.
