-- Connection limits that this server's fences replaced, where it has the register. Reads only.
SELECT datname::text, connlimit FROM gitover.connection_limits
