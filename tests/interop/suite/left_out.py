"""Servers that the suite does not run, with the reason. The guide prints them below the table."""

LEFT_OUT = {
    "oauth2-test-server 0.2.3": (
        "compiling it takes about 220 s of CPU time. Run by hand, the 14 cases that apply passed. The `aud` of "
        "its JWTs is the client, and its token endpoint checks no client secret"
    ),
}
