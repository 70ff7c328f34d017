-- Started by test_neovim.py: opens a file, waits for the server's diagnostics, types, and asks for a fix.
local client = vim.lsp.start_client({
  name = "nnlint",
  cmd = { vim.env.NNLINT_PYTHON, "-m", "nnlint", "server" },
  root_dir = vim.fn.getcwd(),
})
vim.cmd("edit train.py")
local buffer = vim.api.nvim_get_current_buf()
vim.bo[buffer].filetype = "python"
vim.lsp.buf_attach_client(buffer, client)

local function codes()
  return vim.tbl_map(function(entry)
    return { entry.code, entry.lnum, entry.col, entry.end_col }
  end, vim.diagnostic.get(buffer))
end

local function wait(expected)
  return vim.wait(60000, function()
    return #vim.diagnostic.get(buffer) == expected
  end, 50)
end

local said = { opened = wait(1) and codes() }
local found = vim.diagnostic.get(buffer)[1]
vim.api.nvim_win_set_cursor(0, { found.lnum + 1, found.col })
local answers = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", {
  textDocument = vim.lsp.util.make_text_document_params(buffer),
  range = vim.lsp.util.make_range_params().range,
  context = { diagnostics = {} },
}, 60000)
said.actions = {}
for _, action in ipairs(answers[client].result) do
  table.insert(said.actions, action.title)
  if action.isPreferred then
    vim.lsp.util.apply_workspace_edit(action.edit, vim.lsp.get_client_by_id(client).offset_encoding)
  end
end
said.fixed = wait(0)
said.text = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
vim.fn.writefile({ vim.fn.json_encode(said) }, "said.json")
