-- The action latchkey_gate of haproxy.cfg: it asks a gate of Latchkey whether a request can
-- pass. Its argument is the URL of the gate.

-- The header with the key, in lower case.
local key_header = "authorization"

-- The headers of the gate that the service gets, in lower case.
local identity = {
	"latchkey-key-id", "latchkey-external-id", "latchkey-permissions", "latchkey-credits",
}

-- The headers of a refusal that the client gets, in lower case.
local refusal = {
	"content-type", "www-authenticate", "retry-after",
	"ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset",
}

-- all returns the values of a header as a list.
local function all(headers, name)
	local values, list = headers[name], {}
	if values ~= nil then
		for i = 0, #values do
			list[#list + 1] = values[i]
		end
	end
	return list
end

-- refuse ends the request with a status, and with what the gate says of it.
local function refuse(txn, status, response)
	local reply = txn:reply({ status = status })
	if response ~= nil then
		for _, name in ipairs(refusal) do
			for _, value in ipairs(all(response.headers, name)) do
				reply:add_header(name, value)
			end
		end
		reply:set_body(response.body or "")
	end
	txn:done(reply)
end

core.register_action("latchkey_gate", { "http-req" }, function(txn, url)
	local sent = txn.http:req_get_headers()
	for name in pairs(sent) do
		if string.find(string.lower(name), "^latchkey") then
			txn.http:req_del_header(name)
		end
	end
	local headers = { ["x-forwarded-for"] = { txn.sf:src() } }
	local keys = all(sent, key_header)
	if #keys > 0 then
		headers[key_header] = keys
	end
	txn.http:req_del_header(key_header)

	local ok, response = pcall(function()
		return core.httpclient():get({ url = url, headers = headers, timeout = 35000 })
	end)
	if not ok or response == nil or type(response.headers) ~= "table" then
		return refuse(txn, 503)
	end
	if response.status ~= 204 then
		local known = response.status >= 401 and response.status <= 429
		return refuse(txn, known and response.status or 503, known and response or nil)
	end
	for _, name in ipairs(identity) do
		local value = all(response.headers, name)[1]
		if value ~= nil and value ~= "" then
			txn.http:req_set_header(name, value)
		end
	end
end, 1)
