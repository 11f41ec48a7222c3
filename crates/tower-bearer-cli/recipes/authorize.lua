-- Asks tower-bearer about each request, and ends those that are rejected. HAProxy 2.5 or later.
local function authorize(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if name ~= "content-length" and name ~= "transfer-encoding" and name ~= "connection" then
            headers[name] = {}
            for _, value in pairs(values) do
                table.insert(headers[name], value)
            end
        end
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    headers["x-forwarded-host"] = headers["host"]

    local response = core.httpclient():get{ url = "http://127.0.0.1:9090/", headers = headers, timeout = 5000 }
    if response and response.status == 200 then
        local user = response.headers["x-user"]
        if user and user[0] ~= "" then
            txn:set_var("txn.auth_user", user[0])
        end
        txn:set_var("txn.is_allowed", true)
        return
    end

    local status = response and response.status or 503
    -- No response at all has the status 0 here.
    local reply = txn:reply{ status = status >= 400 and status or 503 }
    for _, name in ipairs{ "www-authenticate", "retry-after", "dpop-nonce", "content-type" } do
        for _, value in pairs(response and response.headers and response.headers[name] or {}) do
            reply:add_header(name, value)
        end
    end
    reply:set_body(response and response.body or "")
    txn:done(reply)
end

core.register_action("authorize", { "http-req" }, authorize)
